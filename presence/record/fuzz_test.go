package record

import (
	"encoding/base64"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/tallylight/tallylight/presence"
)

// Whatever a client sends as cursor, it is refused or means one place in the list.
func FuzzParseCursor(f *testing.F) {
	const id = "01890000-0000-7000-8000-000000000001"
	for _, at := range []presence.Millis{0, 1, -1, math.MaxInt64, math.MinInt64} {
		f.Add((&Broadcast{ID: id, StartedAt: at}).Cursor())
	}
	for _, raw := range []string{"", "1", "1 ", "x " + id, "1 " + strings.ToUpper(id), "1 " + id + " x", "1\n" + id, "99999999999999999999 " + id, "1 urn:uuid:" + id, "1 {" + id + "}", "1 \xff"} {
		f.Add(base64.RawURLEncoding.EncodeToString([]byte(raw)))
	}
	f.Add("*")
	f.Fuzz(func(t *testing.T, cursor string) {
		statement, args, err := Query{First: 1, After: cursor, To: math.MaxInt64}.statement()
		if cursor == "" {
			return
		}
		at, id, parseErr := parseCursor(cursor)
		if err != nil || parseErr != nil {
			if !errors.Is(err, ErrCursor) || !errors.Is(parseErr, ErrCursor) || at != 0 || id != "" {
				t.Errorf("%q is refused with %v, %v", cursor, err, parseErr)
			}
			return
		}
		again, sameID, err := parseCursor((&Broadcast{ID: id, StartedAt: at}).Cursor())
		if err != nil || again != at || sameID != id || !ValidID(id) {
			t.Errorf("%q is %d %q, and then %d %q, %v", cursor, at, id, again, sameID, err)
		}
		if strings.Count(statement, "$") != len(args) || len(args) > 3 {
			t.Errorf("%q asks %s with %v", cursor, statement, args)
		}
	})
}
