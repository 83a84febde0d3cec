package main

import (
	"bufio"
	"context"
	"io"
	"strings"
)

// input reads lines so that waiting for one can be given up. The goroutine behind it ends with the process: a read from
// a terminal cannot be taken back.
type input struct {
	lines chan inputLine
}

type inputLine struct {
	text string
	err  error
}

func newInput(r io.Reader) *input {
	in := &input{lines: make(chan inputLine)}
	go func() {
		reader := bufio.NewReader(r)
		for {
			text, err := reader.ReadString('\n')
			if err != nil && text != "" {
				err = nil // a last line without its end
			}
			in.lines <- inputLine{strings.TrimRight(text, "\r\n"), err}
			if err != nil {
				return
			}
		}
	}()
	return in
}

// line waits for the next line, or for the end of the context.
func (in *input) line(ctx context.Context) (string, error) {
	select {
	case next := <-in.lines:
		return next.text, next.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// interruptible gives a reader of the same bytes that ends when end is called, even while a read is under way. What was
// read and not yet taken is lost then.
func interruptible(r io.Reader) (stream io.Reader, end func()) {
	reader, writer := io.Pipe()
	go func() {
		_, err := io.Copy(writer, r)
		_ = writer.CloseWithError(err) // it never fails; without an error the reader gets io.EOF
	}()
	return reader, func() { _ = writer.Close() }
}
