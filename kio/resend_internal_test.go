package kio

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestAnAnswerIsMisdirectedOnlyWhereNothingWasDone(t *testing.T) {
	topics := func(codes ...int16) kmsg.Response {
		r := kmsg.NewPtrCreateTopicsResponse()
		for _, code := range codes {
			topic := kmsg.NewCreateTopicsResponseTopic()
			topic.ErrorCode = code
			r.Topics = append(r.Topics, topic)
		}
		return r
	}
	whole := kmsg.NewPtrElectLeadersResponse()
	whole.ErrorCode = codeNotController
	for name, tt := range map[string]struct {
		r    kmsg.Response
		want bool
	}{
		"the only topic":           {topics(codeNotController), true},
		"all topics":               {topics(codeNotController, codeNotController), true},
		"one that was done":        {topics(codeNotController, 0), false},
		"one that failed":          {topics(codeNotController, codeInvalidRequest), false},
		"success":                  {topics(0), false},
		"no topics":                {topics(), false},
		"the answer as a whole":    {whole, true},
		"an answer without a code": {kmsg.NewPtrHeartbeatResponse(), false},
	} {
		if got := onlyCode(tt.r, codeNotController); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}
