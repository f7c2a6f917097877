// Package certificate gives the webhook server the certificate it serves, from
// one of two sources that look the same to the server:
//
//   - Files reads tls.crt and tls.key from a folder and follows changes. Who
//     makes them and who publishes their CA (cert-manager, an administrator)
//     is not its business.
//   - Keeper makes everything itself: a CA and a leaf, kept in a Secret, the CA
//     published in the caBundle of the MutatingWebhookConfiguration, both
//     renewed for ever without a restart.
//
// # How a Keeper works
//
// The Secret is the only state. Its ca.crt lists every CA that is to be trusted,
// newest first, and is exactly what the caBundle has to say; ca.key is the
// newest CA's key; tls.crt and tls.key are the leaf, always of the newest CA.
// From time to time, and whenever one of the two objects changes, each replica
// looks: it makes what is missing, broken or past two thirds of its life, writes
// it, publishes the CAs, and only then serves the leaf. A leaf of a new CA waits
// a little longer, until every API server has seen the new caBundle; its
// predecessor, still trusted, is served meanwhile. Old CAs leave the list a day
// after their successor came.
//
// # Why there is no leader election
//
// Every replica may write, and the API server decides who did: a Secret is
// created once, and each update carries the resource version that was read. Who
// loses reads again and finds the winner's work, which then needs no change. A
// lease would add rights, a second object and a time without a leader, and
// would still need these checks, since a lease does not stop a late writer.
//
// # Why it is written here
//
// github.com/open-policy-agent/cert-controller, the usual choice, replaces the
// CA at once (calls fail until the new leaf is served everywhere), serves from a
// mounted volume that follows the Secret up to a minute late, never makes a
// Secret that was deleted, and watches all Secrets of its namespace and all
// webhook configurations of the cluster, with the rights that this takes.
package certificate

import (
	"context"
	"crypto/tls"
	"time"
)

// Source is where the served certificate comes from.
type Source interface {
	// Run keeps the certificate current until ctx ends.
	Run(ctx context.Context) error
	// GetCertificate is for tls.Config.
	GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// Ready is nil once API servers can call us, else it says what is missing.
	Ready() error
	// Expiry is when the served certificate ends; zero: none is served.
	Expiry() time.Time
}
