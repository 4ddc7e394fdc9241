package frame

import "fmt"

// Foreign names a protocol other than Kafka's, recognised by the four bytes that stand where a size should.
type Foreign uint8

// The protocols that [Recognise] knows. Each of them is a size far over 100 MiB, so no frame under [DefaultMaxBytes] is mistaken for one.
const (
	ForeignNone          Foreign = iota // nothing recognised
	ForeignHTTP                         // "HTTP", or the start of an HTML page: an HTTP server's answer
	ForeignHTTPRequest                  // "GET ", "POST", ...: an HTTP client (RFC 9110, section 9), also HTTP/2 ("PRI ", RFC 9113, section 3.4)
	ForeignTLSHandshake                 // 0x16 0x03: a TLS handshake record (RFC 8446, section 5.1)
	ForeignTLSAlert                     // 0x15 0x03: a TLS alert record (RFC 8446, section 5.1), the usual answer of a TLS port to plaintext
	ForeignSSH                          // "SSH-" (RFC 4253, section 4.2)
	ForeignSMTPOrFTP                    // "220 " or "220-": a mail or file server's greeting (RFC 5321, section 4.2; RFC 959, section 5.4)
	ForeignAMQP                         // "AMQP": a message broker such as RabbitMQ (AMQP 0-9-1, section 4.2.2)
	ForeignRedis                        // "-ERR", "-NOA"(UTH), "-DEN"(IED): an error reply of Redis (RESP, "Simple errors")
	ForeignPostgreSQL                   // 'E' and a length below 256: ErrorResponse (PostgreSQL, "Message Formats")
	ForeignProxyProtocol                // "PROX"(Y) or CR LF CR LF: a load balancer's PROXY header, version 1 or 2
	foreignCount
)

// foreignText holds, for each protocol, its name and the sentence that an error ends with: what the peer does, and what to do about it.
var foreignText = [foreignCount]struct{ name, advice string }{
	ForeignNone:          {"none", ""},
	ForeignHTTP:          {"HTTP", "the peer answers in HTTP: wrong port or a proxy, connect to a Kafka listener"},
	ForeignHTTPRequest:   {"HTTP request", "the peer sends an HTTP request: it was pointed at the wrong port"},
	ForeignTLSHandshake:  {"TLS handshake", "the peer starts a TLS handshake: use TLS on both sides or on neither"},
	ForeignTLSAlert:      {"TLS alert", "the peer answers with a TLS alert: plaintext was sent to a TLS port, use TLS"},
	ForeignSSH:           {"SSH", "the peer speaks SSH: wrong port, connect to a Kafka listener"},
	ForeignSMTPOrFTP:     {"SMTP or FTP", "the peer greets as a mail or FTP server: wrong port, connect to a Kafka listener"},
	ForeignAMQP:          {"AMQP", "the peer speaks AMQP, as RabbitMQ does: wrong port, connect to a Kafka listener"},
	ForeignRedis:         {"Redis", "the peer answers with a Redis error: wrong port, connect to a Kafka listener"},
	ForeignPostgreSQL:    {"PostgreSQL", "the peer answers with a PostgreSQL error: wrong port, connect to a Kafka listener"},
	ForeignProxyProtocol: {"PROXY protocol", "a load balancer sends a PROXY protocol header: switch that off for this listener"},
}

// String returns the protocol's name, "none" for [ForeignNone].
func (f Foreign) String() string {
	if f < foreignCount {
		return foreignText[f].name
	}
	return fmt.Sprintf("Foreign(%d)", uint8(f))
}

// advice returns the sentence of foreignText, empty where there is nothing to say.
func (f Foreign) advice() string {
	if f < foreignCount {
		return foreignText[f].advice
	}
	return ""
}

// Recognise says which protocol the first four bytes of prefix belong to; three do for TLS. Fewer, or bytes of no known protocol,
// are [ForeignNone]. prefix is borrowed until return.
//
// MySQL is left out on purpose: its greeting starts with a varying three-byte length and a zero, which is no evidence.
func Recognise(prefix []byte) Foreign {
	// The third byte is the minor version: 0 for SSL 3.0, 3 for TLS 1.2 and 1.3, and 4 is the last number TLS has used.
	if len(prefix) >= 3 && prefix[1] == 0x03 && prefix[2] <= 0x04 {
		switch prefix[0] {
		case 0x15:
			return ForeignTLSAlert
		case 0x16:
			return ForeignTLSHandshake
		}
	}
	if len(prefix) < SizeBytes {
		return ForeignNone
	}
	switch string(prefix[:SizeBytes]) {
	case "HTTP", "<htm", "<HTM", "<!DO", "<!do":
		return ForeignHTTP
	case "GET ", "POST", "PUT ", "HEAD", "DELE", "OPTI", "PATC", "CONN", "TRAC", "PRI ":
		return ForeignHTTPRequest
	case "SSH-":
		return ForeignSSH
	case "220 ", "220-":
		return ForeignSMTPOrFTP
	case "AMQP":
		return ForeignAMQP
	case "-ERR", "-NOA", "-DEN":
		return ForeignRedis
	case "E\x00\x00\x00":
		return ForeignPostgreSQL
	case "PROX", "\r\n\r\n":
		return ForeignProxyProtocol
	}
	return ForeignNone
}
