package handshake

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// answer is what a handler makes of a handshake: it takes the connection over, or refuses.
type answer struct {
	listener *Listener
	conn     net.Conn
	early    []byte // what came with the request; it is the clerk's
	header   http.Header
	status   int
	body     bytes.Buffer
	hijacked bool
}

var (
	_ http.ResponseWriter = (*answer)(nil)
	_ http.Hijacker       = (*answer)(nil)
)

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}

// Hijack implements http.Hijacker. There is no more in the buffers than there must be.
func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if a.hijacked {
		return nil, nil, http.ErrHijacked
	}
	if err := a.conn.SetReadDeadline(time.Time{}); err != nil {
		return nil, nil, err
	}
	a.hijacked = true
	a.listener.leave(a.conn)()
	reader := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(a.early), a.conn), len(a.early))
	if len(a.early) > 0 {
		_, _ = reader.Peek(len(a.early)) // it has them then
	}
	return a.conn, bufio.NewReadWriter(reader, bufio.NewWriterSize(a.conn, 1)), nil
}

// send writes an answer that is a refusal. It does not block: nothing was written before, and it is short.
func (a *answer) send() error {
	if a.status == 0 {
		return errors.New("the handler has not answered")
	}
	a.header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	var all bytes.Buffer
	response := http.Response{
		ProtoMajor: 1, ProtoMinor: 1, StatusCode: a.status, Header: a.header, Close: true,
		Body: io.NopCloser(&a.body), ContentLength: int64(a.body.Len()),
	}
	if err := response.Write(&all); err != nil {
		return err
	}
	_, err := a.conn.Write(all.Bytes())
	return err
}
