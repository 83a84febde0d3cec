//go:build !linux

package up

import "syscall"

// attributes give a child its own process group. Only Linux ends children whose parent was killed.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
