package cluster

import (
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
)

// protocols maps listeners to their security protocols.
var protocols = map[string]string{
	Plaintext: "PLAINTEXT", SSL: "SSL", SASLSSL: "SASL_SSL", SASLPlaintext: "SASL_PLAINTEXT", Session: "SASL_SSL", controller: "PLAINTEXT",
}

// properties are those of one node, in Kafka's own names.
func (s *State) properties(n *Node, controllers []string) string {
	var b strings.Builder
	set := func(key, format string, args ...any) { fmt.Fprintf(&b, key+"="+format+"\n", args...) }

	var listen, advertised, kinds []string
	for _, name := range append(slices.Clone(Listeners), controller) {
		kinds = append(kinds, name+":"+protocols[name])
		if name == controller {
			listen = append(listen, name+"://"+controllers[n.ID-1])
			continue
		}
		_, port, _ := net.SplitHostPort(n.Listeners[name])
		listen = append(listen, name+"://127.0.0.1:"+port)
		advertised = append(advertised, name+"://"+n.Listeners[name])
	}
	var voters []string
	for i, addr := range controllers {
		voters = append(voters, fmt.Sprintf("%d@%s", i+1, addr))
	}
	replicas := min(3, len(s.Nodes))

	set("node.id", "%d", n.ID)
	set("process.roles", "broker,controller")
	set("controller.quorum.voters", "%s", strings.Join(voters, ","))
	set("controller.listener.names", controller)
	set("listeners", "%s", strings.Join(listen, ","))
	set("advertised.listeners", "%s", strings.Join(advertised, ","))
	set("listener.security.protocol.map", "%s", strings.Join(kinds, ","))
	set("inter.broker.listener.name", Plaintext)
	set("log.dirs", "%s", filepath.Join(n.Dir, "data"))
	set("auto.create.topics.enable", "false")
	set("offsets.topic.replication.factor", "%d", replicas)
	set("offsets.topic.num.partitions", "1")
	set("transaction.state.log.replication.factor", "%d", replicas)
	set("transaction.state.log.num.partitions", "1")
	set("transaction.state.log.min.isr", "1")
	set("group.initial.rebalance.delay.ms", "0")
	// A killed node that comes back is let in again only when its old session is over: 9 s by default.
	set("broker.session.timeout.ms", "6000")
	set("broker.heartbeat.interval.ms", "1000")
	set("connections.max.idle.ms", "%d", s.Idle.Milliseconds())

	certs := filepath.Dir(s.Certs.CA)
	set("ssl.keystore.type", "PEM")
	set("ssl.keystore.location", "%s", filepath.Join(certs, brokerFile))
	set("ssl.truststore.type", "PEM")
	set("ssl.truststore.location", "%s", s.Certs.CA)
	set("listener.name.ssl.ssl.client.auth", "required")

	set("sasl.enabled.mechanisms", "%s", strings.Join(Mechanisms, ","))
	for _, name := range []string{SASLSSL, SASLPlaintext, Session} {
		for _, mechanism := range Mechanisms {
			set("listener.name."+strings.ToLower(name)+"."+strings.ToLower(mechanism)+".sasl.jaas.config", "%s", jaas(mechanism, s.Users[mechanism]))
		}
	}
	set("listener.name."+strings.ToLower(Session)+".connections.max.reauth.ms", "%d", s.Session.Milliseconds())
	return b.String()
}

// jaas is the login configuration of a mechanism. Those of SCRAM have their users in the cluster's metadata, OAUTHBEARER takes whoever a token names.
func jaas(mechanism string, u User) string {
	const security = "org.apache.kafka.common.security."
	switch mechanism {
	case Plain:
		return fmt.Sprintf(`%splain.PlainLoginModule required user_%s="%s";`, security, u.Name, u.Password)
	case OAuthBearer:
		return fmt.Sprintf(`%soauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="%s";`, security, u.Name)
	default:
		return security + "scram.ScramLoginModule required;"
	}
}

// log4j is the configuration of a node's log, which goes to its standard output.
const log4j = `<?xml version="1.0" encoding="UTF-8"?>
<Configuration status="WARN">
  <Appenders>
    <Console name="out"><PatternLayout pattern="%d{ISO8601} %p %c: %m%n"/></Console>
  </Appenders>
  <Loggers>
    <Root level="INFO"><AppenderRef ref="out"/></Root>
    <Logger name="org.apache.kafka.common.config.AbstractConfig" level="WARN"/>
  </Loggers>
</Configuration>
`
