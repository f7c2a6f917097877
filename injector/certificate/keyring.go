package certificate

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// The keys of the Secret.
const (
	keyTrusted = "ca.crt"  // every CA to be trusted, newest first; exactly the caBundle
	keySigner  = "ca.key"  // the key of the newest CA
	keyLeaf    = "tls.crt" // what is served; signed by the newest CA
	keyLeafKey = "tls.key"
)

// keyring is the content of the Secret, checked: the keys fit their
// certificates and the leaf is the newest CA's. It says nothing of time.
type keyring struct {
	trusted []*x509.Certificate // newest first, never empty
	signer  *ecdsa.PrivateKey   // of trusted[0]
	leaf    *tls.Certificate    // with Leaf set
}

func (k *keyring) authority() authority { return authority{k.trusted[0], k.signer} }

// bundle is the trusted CAs as a caBundle has them.
func (k *keyring) bundle() []byte { return encodeCertificates(k.trusted) }

// encode is the Secret's data.
func (k *keyring) encode() (map[string][]byte, error) {
	signer, err := encodeKey(k.signer)
	if err != nil {
		return nil, err
	}
	leafKey, err := encodeKey(k.leaf.PrivateKey.(*ecdsa.PrivateKey))
	if err != nil {
		return nil, err
	}
	return map[string][]byte{
		keyTrusted: k.bundle(),
		keySigner:  signer,
		keyLeaf:    encodeCertificates([]*x509.Certificate{k.leaf.Leaf}),
		keyLeafKey: leafKey,
	}, nil
}

// errEmpty means that there is nothing yet, which is not a fault.
var errEmpty = errors.New("the Secret is empty")

// decode reads the Secret's data. An error says which key is wrong; whatever
// was wrong, the remedy is to make a new keyring.
func decode(data map[string][]byte) (*keyring, error) {
	if len(data[keyTrusted]) == 0 && len(data[keySigner]) == 0 && len(data[keyLeaf]) == 0 && len(data[keyLeafKey]) == 0 {
		return nil, errEmpty
	}
	trusted, err := decodeCertificates(data[keyTrusted])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", keyTrusted, err)
	}
	signer, err := decodeKey(data[keySigner])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", keySigner, err)
	}
	if !signer.PublicKey.Equal(trusted[0].PublicKey) {
		return nil, fmt.Errorf("%s is not the key of the first certificate in %s", keySigner, keyTrusted)
	}
	leaf, err := tls.X509KeyPair(data[keyLeaf], data[keyLeafKey])
	if err != nil {
		return nil, fmt.Errorf("%s and %s: %w", keyLeaf, keyLeafKey, err)
	}
	if leaf.Leaf == nil { // with GODEBUG=x509keypairleaf=0
		if leaf.Leaf, err = x509.ParseCertificate(leaf.Certificate[0]); err != nil {
			return nil, fmt.Errorf("%s: %w", keyLeaf, err)
		}
	}
	if _, ok := leaf.PrivateKey.(*ecdsa.PrivateKey); !ok {
		return nil, fmt.Errorf("%s is not an ECDSA key", keyLeafKey)
	}
	if err := leaf.Leaf.CheckSignatureFrom(trusted[0]); err != nil {
		return nil, fmt.Errorf("%s is not signed by the first certificate in %s: %w", keyLeaf, keyTrusted, err)
	}
	return &keyring{trusted, signer, &leaf}, nil
}

func encodeCertificates(certs []*x509.Certificate) []byte {
	var b bytes.Buffer
	for _, c := range certs {
		_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}) // a bytes.Buffer takes everything
	}
	return b.Bytes()
}

// decodeCertificates reads at least one certificate, and nothing else.
func decodeCertificates(text []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		certs = append(certs, c)
	}
	if len(certs) == 0 {
		return nil, errors.New("no certificate in it")
	}
	return certs, nil
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

func decodeKey(text []byte) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("no key in it")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("a key of type %T, not ECDSA", key)
	}
	return ec, nil
}
