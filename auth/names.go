package auth

import "strings"

// maxID bounds room and user ids, which become parts of keys, URLs and log lines.
const maxID = 128

// ValidRoom tells whether id can name a room: 1 to 128 of A-Z a-z 0-9 . _ - ~ :
func ValidRoom(id string) bool { return id != "" && len(id) <= maxID && only(id, "._-~:") }

// ValidUser tells whether id can name a user: 1 to 128 of A-Z a-z 0-9 . _ - ~ : @ | + =
func ValidUser(id string) bool { return id != "" && len(id) <= maxID && only(id, "._-~:@|+=") }

// validPattern tells whether p can stand in a grant: an id, a prefix of ids with "*" at its end, or "*".
func validPattern(p string) bool {
	prefix, wild := strings.CutSuffix(p, "*")
	return wild && prefix == "" || ValidRoom(prefix)
}

// only tells whether s consists of ASCII letters, digits and the bytes of others.
func only(s, others string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte(others, c) < 0:
			return false
		}
	}
	return true
}
