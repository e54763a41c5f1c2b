package auth

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// parsePEM reads public keys and certificates, of which only the key counts: whether a certificate has ended, and who
// signed it, is not looked at. All are pinned to the same algorithm, see publicKey.
func parsePEM(data []byte, alg string) (keyring, error) {
	var keys keyring
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		public, err := parseBlock(block)
		if err != nil {
			return nil, err
		}
		k, err := publicKey(public, alg)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	switch begun := bytes.Count(data, []byte("-----BEGIN ")); {
	case begun == 0:
		return nil, errors.New("it holds no PEM block (-----BEGIN PUBLIC KEY----- …)")
	case begun != len(keys): // the library passes over what it can't read
		return nil, errors.New("one of its PEM blocks is broken")
	}
	return keys, nil
}

func parseBlock(block *pem.Block) (public any, err error) {
	switch {
	case block.Type == "PUBLIC KEY":
		public, err = x509.ParsePKIXPublicKey(block.Bytes)
	case block.Type == "RSA PUBLIC KEY":
		public, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case block.Type == "CERTIFICATE":
		var certificate *x509.Certificate
		if certificate, err = x509.ParseCertificate(block.Bytes); err == nil {
			public = certificate.PublicKey
		}
	case strings.Contains(block.Type, "PRIVATE KEY"):
		return nil, errors.New("it holds a private key: give the public one alone, nobody but who signs tokens should have the other")
	default:
		return nil, fmt.Errorf("it holds a %.40q: want PUBLIC KEY, RSA PUBLIC KEY or CERTIFICATE", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("its %s can't be read", block.Type)
	}
	return public, nil
}
