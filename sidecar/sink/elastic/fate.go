package elastic

import (
	"net/http"
	"strings"
)

// fate is what an answer means for a record.
type fate uint8

const (
	stored  fate = iota
	already      // a document with its id is there: an earlier attempt had stored it
	later        // the backend is busy or down: again, with growing pauses
	hold         // somebody has to act on the backend or on our config: again, slowly
	suspect      // perhaps the document's fault: again some times, then refused
	refused      // never: to the dead letter file
	bare         // not with its fields: again at once, without them
)

// again tells whether the record is sent again.
func (f fate) again() bool { return f == later || f == hold || f == suspect || f == bare }

// fault is an error of the backend: of a request, or of an item.
type fault struct {
	Type     string `json:"type"`
	Reason   string `json:"reason"`
	CausedBy *fault `json:"caused_by,omitempty"`
}

// itemFate decides by status and, where one status has several meanings, by
// the error's type. What each node really answers is in the tests.
func itemFate(status int, f *fault) fate {
	kind, reason := "", ""
	if f != nil {
		kind, reason = f.Type, f.Reason
	}
	switch {
	case status >= 200 && status < 300:
		return stored
	case status == http.StatusConflict:
		return already
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout:
		return later
	case status == http.StatusRequestEntityTooLarge:
		return refused
	case status >= 500:
		if ofThePipeline[kind] {
			return suspect
		}
		return later
	case status != http.StatusBadRequest:
		return hold // 401, 403, 404: rights, blocks, an index that may not be made
	case ofTheIndex[kind]:
		return hold
	case kind == "illegal_argument_exception" && speaksOfTheIndex(reason):
		return hold
	case kind == "illegal_argument_exception" && raced(reason):
		return suspect
	case ofTheDocument[kind]:
		return refused
	}
	return suspect
}

// raced tells of a conflict between types that two documents, of this bulk or of
// another pod's, have found for a new field at the same time. Now that one of
// them is in the mapping, another attempt shows whether the other fits it too, as
// 1.5 does into a long. Where the two are in one document it does not.
func raced(reason string) bool {
	return strings.HasPrefix(reason, "mapper [") && strings.Contains(reason, "] cannot be changed from type [")
}

// Types of errors with status 400, by what is at fault.
var (
	ofTheDocument = map[string]bool{
		"mapper_parsing_exception":            true,
		"document_parsing_exception":          true, // the same, since 8.10
		"mapper_exception":                    true,
		"strict_dynamic_mapping_exception":    true,
		"illegal_argument_exception":          true, // of a field
		"parsing_exception":                   true,
		"x_content_parse_exception":           true,
		"json_parse_exception":                true,
		"input_coercion_exception":            true,
		"max_bytes_length_exceeded_exception": true,
		"array_index_out_of_bounds_exception": true,
	}
	ofTheIndex = map[string]bool{
		"index_closed_exception":       true,
		"validation_exception":         true, // the limit of shards
		"cluster_block_exception":      true,
		"invalid_index_name_exception": true,
		"index_not_found_exception":    true,
		"security_exception":           true,
		"invalid_alias_name_exception": true,
	}
	// Types with status 5xx that a processor of an ingest pipeline makes of a document.
	ofThePipeline = map[string]bool{
		"fail_processor_exception":   true,
		"ingest_processor_exception": true,
		"illegal_argument_exception": true,
		"script_exception":           true,
		"null_pointer_exception":     true,
		"find_match":                 true, // of dissect
	}
)

// speaksOfTheIndex tells an illegal argument of the index from one of a field.
// The latter's reason may quote the record, which may say anything, but does not
// begin with it.
func speaksOfTheIndex(reason string) bool {
	for _, words := range []string{"no write index is defined for ", "pipeline with id [", "only write ops with an op_type "} {
		if strings.HasPrefix(reason, words) {
			return true
		}
	}
	return false
}

// requestFate is the same for an answer to a whole request; a 413 and a 400
// are the caller's to take apart.
func requestFate(status int) fate {
	switch {
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status >= 500:
		return later
	}
	return hold
}
