package processtest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports are taken in blocks, below those that Linux gives to outgoing connections: a daemon that is down for a while
// must find its port free again.
const (
	portMin      = 12000
	portMax      = 19980
	portsInBlock = 20
	portTriesMax = 400
)

// reservePorts gives consecutive free ports. They stay ours until guard is closed: it listens on the first port of the
// block, and whoever else wants the block finds it taken.
func reservePorts(count int) (ports []int, guard net.Listener, err error) {
	if count >= portsInBlock {
		panic(fmt.Sprintf("processtest: %d ports in a block of %d", count, portsInBlock))
	}
	for range portTriesMax {
		first := portMin + portsInBlock*rand.IntN((portMax-portMin)/portsInBlock)
		guard, err := net.Listen("tcp", loopback(first))
		if err != nil {
			continue
		}
		ports = ports[:0]
		for port := first + 1; port <= first+count; port++ {
			if !free(port) {
				break
			}
			ports = append(ports, port)
		}
		if len(ports) == count {
			return ports, guard, nil
		}
		_ = guard.Close() // nothing was accepted
	}
	return nil, nil, errors.New("no free block of ports: close programs that listen on 127.0.0.1")
}

func free(port int) bool {
	listener, err := net.Listen("tcp", loopback(port))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
