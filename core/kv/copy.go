package kv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
)

// Limits of a manifest.
const (
	copyFilesMax     = 1 << 16
	copyNameBytesMax = 255
	copyBytesMax     = 1 << 50

	// ManifestBytesMax bounds the bytes of a manifest.
	ManifestBytesMax = 4 << 20
)

// ErrCopy: bytes that should be a copy of a store, or its manifest, are not.
var ErrCopy = errors.New("copy of the applied state is damaged")

// Copy is the whole state of a store at one slot: rows, sessions, applied slot and
// chain hash. It does not change, whatever is applied meanwhile. Its bytes are
// those of its files, one after the other; any goroutine may read them.
type Copy interface {
	// Manifest says what the bytes are. The caller must not change it.
	Manifest() *Manifest
	io.ReaderAt
	// Close lets go of the copy; nothing of it may be read afterwards.
	Close() error
}

// Manifest says what a copy holds, so that whoever takes it can tell that it is
// whole.
type Manifest struct {
	// Slot is the applied slot of the state, and Chain the hash over all values
	// up to it.
	Slot, Chain uint64
	Files       []CopyFile
}

// CopyFile is one file of a copy. Its name has no folder.
type CopyFile struct {
	Name  string
	Bytes int64
	Sum   uint32 // CRC-32C
}

// Bytes is the size of all files.
func (m *Manifest) Bytes() int64 {
	var total int64
	for _, f := range m.Files {
		total += f.Bytes
	}
	return total
}

const manifestVersion = 1

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// CopySum continues the sum of a file of a copy, from 0.
func CopySum(sum uint32, bytes []byte) uint32 { return crc32.Update(sum, castagnoli, bytes) }

// AppendManifest appends the manifest's bytes:
//
//	1 byte   version
//	uvarint  slot
//	8 bytes  chain, little endian
//	uvarint  number of files
//	then, for each file: length of the name and the name, bytes (uvarint), sum (4, little endian)
//	4 bytes  CRC-32C of all before, little endian
func AppendManifest(dst []byte, m *Manifest) []byte {
	start := len(dst)
	dst = append(dst, manifestVersion)
	dst = binary.AppendUvarint(dst, m.Slot)
	dst = binary.LittleEndian.AppendUint64(dst, m.Chain)
	dst = binary.AppendUvarint(dst, uint64(len(m.Files)))
	for _, f := range m.Files {
		dst = binary.AppendUvarint(dst, uint64(len(f.Name)))
		dst = append(dst, f.Name...)
		dst = binary.AppendUvarint(dst, uint64(f.Bytes))
		dst = binary.LittleEndian.AppendUint32(dst, f.Sum)
	}
	return binary.LittleEndian.AppendUint32(dst, CopySum(0, dst[start:]))
}

// DecodeManifest reads a manifest and checks it: a name that leaves its folder,
// or a size that no disk has, is ErrCopy as any other damage is.
func DecodeManifest(src []byte) (*Manifest, error) {
	const sumBytes = 4
	if len(src) < sumBytes || len(src) > ManifestBytesMax ||
		CopySum(0, src[:len(src)-sumBytes]) != binary.LittleEndian.Uint32(src[len(src)-sumBytes:]) {
		return nil, fmt.Errorf("%w: a manifest of %d bytes that do not match their sum", ErrCopy, len(src))
	}
	d := decoder{rest: src[:len(src)-sumBytes]}
	version := d.bytes(1)
	m := &Manifest{Slot: d.uvarint()}
	if chain := d.bytes(8); !d.failed {
		m.Chain = binary.LittleEndian.Uint64(chain)
	}
	count := d.uvarint()
	if d.failed || version[0] != manifestVersion || count == 0 || count > copyFilesMax {
		return nil, fmt.Errorf("%w: a manifest that this program cannot read", ErrCopy)
	}
	for range count {
		f := CopyFile{Name: string(d.bytes(min(d.uvarint(), copyNameBytesMax+1)))}
		f.Bytes = int64(min(d.uvarint(), copyBytesMax+1))
		if sum := d.bytes(4); !d.failed {
			f.Sum = binary.LittleEndian.Uint32(sum)
		}
		if d.failed {
			break
		}
		m.Files = append(m.Files, f)
	}
	if d.failed || len(d.rest) > 0 {
		return nil, fmt.Errorf("%w: a manifest that does not parse", ErrCopy)
	}
	return m, m.check()
}

func (m *Manifest) check() error {
	if m.Slot == 0 {
		return fmt.Errorf("%w: no applied slot", ErrCopy)
	}
	names := make(map[string]struct{}, len(m.Files))
	var total int64
	for _, f := range m.Files {
		_, twice := names[f.Name]
		names[f.Name] = struct{}{}
		plain := f.Name != "" && f.Name != "." && f.Name != ".." && len(f.Name) <= copyNameBytesMax &&
			!strings.ContainsAny(f.Name, "/\\\x00")
		if total += f.Bytes; twice || !plain || f.Bytes < 0 || total > copyBytesMax {
			return fmt.Errorf("%w: file %.60q of %d bytes", ErrCopy, f.Name, f.Bytes)
		}
	}
	return nil
}

// AppliedMark is the slot and the chain hash in an AppliedKey row. The error is
// ErrDamaged.
func AppliedMark(row []byte) (Mark, error) {
	state, _, err := decodeApplied(row)
	return Mark{Slot: state.slot, Hash: state.chain}, err
}

// Holds is an error, ErrCopy, if the state from which a row under AppliedKey was
// read is not that of the manifest.
func (m *Manifest) Holds(row []byte) error {
	mark, err := AppliedMark(row)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCopy, err)
	}
	if mark != (Mark{Slot: m.Slot, Hash: m.Chain}) {
		return fmt.Errorf("%w: it holds slot %d with hash %016x, its manifest says slot %d with hash %016x",
			ErrCopy, mark.Slot, mark.Hash, m.Slot, m.Chain)
	}
	return nil
}
