package cluster

import (
	"context"
	"crypto/tls"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// tokenLife is how long a token of OAUTHBEARER is good for: longer than any session.
const tokenLife = time.Hour

// TLS is what a client needs for a listener; nil where it does not speak TLS.
func (s *State) TLS(listener string) (*tls.Config, error) {
	switch listener {
	case SSL:
		return s.Certs.TLS(true)
	case SASLSSL, Session:
		return s.Certs.TLS(false)
	default:
		return nil, nil
	}
}

// Mechanism is a client's side of a mechanism, as the user that the brokers know.
func (s *State) Mechanism(name string) (sasl.Mechanism, error) {
	u, ok := s.Users[name]
	if !ok {
		return nil, fmt.Errorf("no user for mechanism %s: there are %v", name, Mechanisms)
	}
	return MechanismAs(name, u)
}

// MechanismAs is Mechanism for any user.
func MechanismAs(name string, u User) (sasl.Mechanism, error) {
	switch name {
	case Plain:
		return plain.Auth{User: u.Name, Pass: u.Password}.AsMechanism(), nil
	case Scram256:
		return scram.Auth{User: u.Name, Pass: u.Password}.AsSha256Mechanism(), nil
	case Scram512:
		return scram.Auth{User: u.Name, Pass: u.Password}.AsSha512Mechanism(), nil
	case OAuthBearer:
		return oauth.Oauth(func(context.Context) (oauth.Auth, error) {
			return oauth.Auth{Token: UnsecuredToken(u.Name, tokenLife)}, nil
		}), nil
	default:
		return nil, fmt.Errorf("no mechanism %s: there are %v", name, Mechanisms)
	}
}
