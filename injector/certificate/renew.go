package certificate

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Policy says how long things live. The zero Policy is the default one.
type Policy struct {
	CALife   time.Duration // default 365 days
	LeafLife time.Duration // default 60 days
	// Overlap is how long a replaced CA stays trusted: longer than any replica
	// takes to notice its successor. Default one day.
	Overlap time.Duration
	// Settle is how long a leaf of a new CA waits after its CA was published,
	// for every API server to see it. Default 30 seconds.
	Settle time.Duration
}

// maxTrusted bounds the caBundle when CAs are made in quick succession, as by
// someone who deletes the Secret every minute.
const maxTrusted = 4

func (p Policy) withDefaults() Policy {
	set := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	const day = 24 * time.Hour
	set(&p.CALife, 365*day)
	set(&p.LeafLife, 60*day)
	set(&p.Overlap, day)
	set(&p.Settle, 30*time.Second)
	return p
}

// renew is the whole policy, without clock, network or state: given what was
// read (or why it could not be), what is published and the time, it returns
// the keyring that is wanted and why it differs from the old one; an empty
// reason: it does not.
func (p Policy) renew(old *keyring, readErr error, published []*x509.Certificate, names []string, now time.Time) (*keyring, string, error) {
	switch {
	case errors.Is(readErr, errEmpty):
		return p.fresh(published, names, now, "there is none yet")
	case readErr != nil:
		return p.fresh(published, names, now, readErr.Error())
	case now.Before(old.trusted[0].NotBefore):
		return p.fresh(old.trusted, names, now, "the CA begins in the future: a clock is wrong")
	case aged(old.trusted[0], now):
		return p.fresh(old.trusted, names, now, "two thirds of the CA's life are over")
	case aged(old.leaf.Leaf, now):
		return p.releaf(old, names, now, "two thirds of the certificate's life are over")
	case now.Before(old.leaf.Leaf.NotBefore):
		return p.releaf(old, names, now, "the certificate begins in the future: a clock is wrong")
	}
	for _, name := range names {
		if old.leaf.Leaf.VerifyHostname(name) != nil {
			// The old names stay until the next renewal: two versions side by side
			// that want different names must not overwrite each other in turns.
			return p.releaf(old, union(names, namesOf(old.leaf.Leaf)), now, "the certificate is not for "+name)
		}
	}
	if keep := p.trusted(old.trusted[0], old.trusted[1:], now); len(keep) < len(old.trusted) {
		return &keyring{keep, old.signer, old.leaf}, "old CAs are no longer in use", nil
	}
	return old, "", nil
}

// fresh makes a new CA and leaf. The earlier CAs stay trusted for the time of
// the overlap: another replica may still serve a leaf of theirs. When the Secret
// is lost, earlier is what is still published.
func (p Policy) fresh(earlier []*x509.Certificate, names []string, now time.Time, why string) (*keyring, string, error) {
	ca, err := newAuthority(now, p.CALife)
	if err != nil {
		return nil, "", err
	}
	return p.releaf(&keyring{trusted: p.trusted(ca.cert, earlier, now), signer: ca.key}, names, now, why)
}

// releaf makes a new leaf of the newest CA.
func (p Policy) releaf(old *keyring, names []string, now time.Time, why string) (*keyring, string, error) {
	cert, key, err := old.authority().issue(names, now, p.LeafLife)
	if err != nil {
		return nil, "", err
	}
	leaf := &tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
	return &keyring{p.trusted(old.trusted[0], old.trusted[1:], now), old.signer, leaf}, why, nil
}

// trusted is the newest CA and those before it that must stay.
func (p Policy) trusted(newest *x509.Certificate, earlier []*x509.Certificate, now time.Time) []*x509.Certificate {
	keep := []*x509.Certificate{newest}
	if now.Sub(made(newest)) >= p.Overlap {
		return keep
	}
	for _, c := range earlier {
		ours := c.IsCA && c.Subject.CommonName == authorityName && now.Before(c.NotAfter)
		if ours && !slices.ContainsFunc(keep, c.Equal) && len(keep) < maxTrusted {
			keep = append(keep, c)
		}
	}
	return keep
}

func namesOf(c *x509.Certificate) []string {
	names := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}

// union is a, then what b has more.
func union(a, b []string) []string {
	all := slices.Clone(a)
	for _, name := range b {
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

// describe is one line about a keyring for the log.
func (k *keyring) describe() string {
	return fmt.Sprintf("CA until %s, certificate until %s, %d CAs trusted",
		k.trusted[0].NotAfter.Format(time.DateOnly), k.leaf.Leaf.NotAfter.Format(time.DateOnly), len(k.trusted))
}
