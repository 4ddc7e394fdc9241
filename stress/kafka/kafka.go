package kafka

import _ "embed"

// Version is the version of Apache Kafka that POM resolves.
const Version = "4.3.1"

// POM is the Maven project whose runtime dependencies are a broker.
//
//go:embed pom.xml
var POM []byte
