package kafka

import (
	"encoding/xml"
	"testing"
)

func TestVersionIsThatOfThePOM(t *testing.T) {
	var project struct {
		Dependencies []struct {
			Artifact string `xml:"artifactId"`
			Version  string `xml:"version"`
		} `xml:"dependencies>dependency"`
	}
	if err := xml.Unmarshal(POM, &project); err != nil {
		t.Fatal(err)
	}
	for _, d := range project.Dependencies {
		if d.Artifact == "kafka_2.13" {
			if d.Version != Version {
				t.Errorf("pom.xml has version %s, Version is %s", d.Version, Version)
			}
			return
		}
	}
	t.Error("pom.xml has no dependency kafka_2.13")
}
