package cluster

import (
	"encoding/base64"
	"encoding/json"
	"time"
)

// UnsecuredToken is a token for OAUTHBEARER that nobody signed, as the brokers' own validator takes it (Kafka's documentation, "Unsecured Token Creation
// Options for SASL/OAUTHBEARER"): a JWS of header, claims and an empty signature.
func UnsecuredToken(subject string, life time.Duration) string {
	now := time.Now()
	seconds := func(t time.Time) float64 { return float64(t.UnixMilli()) / 1e3 }
	claims, err := json.Marshal(map[string]any{"sub": subject, "iat": seconds(now), "exp": seconds(now.Add(life))})
	if err != nil {
		panic(err) // text and numbers always encode
	}
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none"}`)) + "." + encode(claims) + "."
}
