package auth

import (
	"net/http"
	"strings"
)

// Bearer returns the token in the Authorization header, which it does not look into. Present is false, without an
// error, when there is no such header; the error is always an *Error. A token in the URL is never taken: URLs end up in
// logs, histories and Referer headers.
func Bearer(r *http.Request) (token string, present bool, err error) {
	values := r.Header.Values("Authorization")
	switch {
	case len(values) == 0 || len(values) == 1 && values[0] == "":
		return "", false, nil
	case len(values) > 1:
		return "", true, refuse(ReasonMalformed, "there is more than one Authorization header")
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", true, refuse(ReasonMalformed, "the Authorization header's scheme is not Bearer")
	}
	if token = strings.Trim(token, " \t"); token == "" {
		return "", true, refuse(ReasonMissing, "the Authorization header holds no token")
	}
	return token, true, nil
}
