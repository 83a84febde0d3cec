package command

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// lineBytesMax bounds one line of a stream: a value of 1 MiB in hexadecimal fits.
const lineBytesMax = 4 << 20

// lineReader reads a stream line by line with bounded memory.
type lineReader struct {
	reader *bufio.Reader
}

func newLineReader(r io.Reader) *lineReader {
	return &lineReader{reader: bufio.NewReaderSize(r, 64<<10)}
}

// next gives the next line without its end; io.EOF behind the last one.
func (l *lineReader) next() (string, error) {
	var line []byte
	for {
		piece, err := l.reader.ReadSlice('\n')
		line = append(line, piece...)
		switch {
		case len(line) > lineBytesMax:
			return "", fmt.Errorf("longer than %d bytes, use put file=", lineBytesMax)
		case err == nil:
			return string(line[:len(line)-1]), nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(line) > 0:
			return string(line), nil
		default:
			return "", err
		}
	}
}
