package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
)

// secret is a flag's value that must not be shown. Given as @path it is what that file holds, without the line end that
// editors put at its end: command lines can be read by everybody on the machine, files need not. Convert it to a string
// to use it; printing, logging or encoding it gives only a placeholder.
type secret string

const hidden = "(secret)"

// UnmarshalText reads the file if there is one.
func (s *secret) UnmarshalText(text []byte) error {
	path, isFile := strings.CutPrefix(string(text), "@")
	if !isFile {
		*s = secret(text)
		return nil
	}
	if path == "" {
		return errors.New("the path after @ is missing")
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	value := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if value == "" {
		return fmt.Errorf("%s is empty", path)
	}
	*s = secret(value)
	return nil
}

func (s secret) String() string               { return hidden }
func (s secret) GoString() string             { return hidden }
func (s secret) LogValue() slog.Value         { return slog.StringValue(hidden) }
func (s secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// reveal returns what secrets are.
func reveal(secrets []secret) []string {
	plain := make([]string, len(secrets))
	for i, s := range secrets {
		plain[i] = string(s)
	}
	return plain
}
