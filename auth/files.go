package auth

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync/atomic"
)

// KeyFile is a file of public keys, or certificates, in PEM.
type KeyFile struct {
	Path string
	// Algorithm is what all keys of the file are for; "": the most common one for keys of their kind, which is RS256,
	// ES256, ES384, ES512 or EdDSA.
	Algorithm string
}

// maxKeyFile bounds what is read of a file, in bytes.
const maxKeyFile = 1 << 20

// keyFile is a KeyFile with what it held when it was last fit to be read.
type keyFile struct {
	KeyFile
	logger *slog.Logger
	keys   atomic.Pointer[keyring]

	read []byte // owned by whoever calls reload
	said string // the error that was last logged, owned likewise
}

// openKeyFile reads a file, which must be fit to be read.
func openKeyFile(f KeyFile, logger *slog.Logger) (*keyFile, error) {
	k := &keyFile{KeyFile: f, logger: logger}
	if _, err := k.load(); err != nil {
		return nil, err
	}
	return k, nil
}

// reload takes up what has changed in the file. What can't be read is logged once, and the keys stay as they were: it may
// be half written.
func (f *keyFile) reload() {
	changed, err := f.load()
	switch {
	case err != nil && err.Error() != f.said:
		f.said = err.Error()
		f.logger.Error("auth: a key file can't be read; its keys stay what they were", "file", f.Path, "error", err)
	case err == nil && (changed || f.said != ""):
		f.said = ""
		f.logger.Info("auth: a key file was read", "file", f.Path, "keys", len(*f.keys.Load()))
	}
}

func (f *keyFile) load() (changed bool, err error) {
	data, err := readAtMost(f.Path, maxKeyFile)
	if err != nil {
		return false, err
	}
	if f.keys.Load() != nil && bytes.Equal(data, f.read) {
		return false, nil
	}
	keys, err := parsePEM(data, f.Algorithm)
	if err != nil {
		return false, fmt.Errorf("%s: %w", f.Path, err)
	}
	f.read = data
	f.keys.Store(&keys)
	return true, nil
}

func readAtMost(path string, most int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, fmt.Errorf("%s is not a regular file", path))
	}
	data, err := io.ReadAll(io.LimitReader(file, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%s has more than %d bytes", path, most)
	}
	return data, err
}
