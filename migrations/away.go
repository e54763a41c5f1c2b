package migrations

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Away reports whether an error says that a PostgreSQL can't be reached at the moment, or is only just starting or
// stopping, so that the same may go well later. One that answers and refuses, for a password, a right, or what it finds in
// the schema, is not away; nor is ever a SQLite file.
//
// An address that does not exist looks like one that does not exist yet, and counts as away.
func Away(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		return passing(answer.Code)
	}
	var link *net.OpError
	if errors.As(err, &link) && link.Op == "remote error" {
		return false // a TLS alert: the other end does not like our certificate, or has none that we would
	}
	var network net.Error
	for _, broken := range []error{context.DeadlineExceeded, io.EOF, io.ErrUnexpectedEOF, driver.ErrBadConn} {
		if errors.Is(err, broken) {
			return true
		}
	}
	return errors.As(err, &network)
}

// passing reports whether what a code says is over by itself.
func passing(code string) bool {
	switch {
	case strings.HasPrefix(code, "08"), strings.HasPrefix(code, "53"): // the connection failed; there are too many, or no room
		return true
	case code == "57P01", code == "57P02", code == "57P03": // it stops, it crashed, it starts
		return true
	}
	return false
}
