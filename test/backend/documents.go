package backend

import (
	"encoding/json"
	"net/http"
)

// A Document is one as it is stored.
type Document struct {
	Index  string          `json:"_index"`
	ID     string          `json:"_id"`
	Source json.RawMessage `json:"_source"`
}

// Documents calls each for all documents of the indices ("*" in names is a
// pattern), in no order. They are fetched by the thousand: a million of them
// take no more memory than a few.
func (n *Node) Documents(indices string, each func(Document)) {
	n.t.Helper()
	const filter = "filter_path=_scroll_id,hits.hits._index,hits.hits._id,hits.hits._source"
	path := "/" + indices + "/_search?scroll=1m&" + filter
	var what any = map[string]any{"size": 5000, "sort": []string{"_doc"}}
	for {
		status, text := n.text(http.MethodPost, path, what)
		var page struct {
			Scroll string `json:"_scroll_id"`
			Hits   struct{ Hits []Document }
		}
		if err := json.Unmarshal(text, &page); err != nil || status != http.StatusOK {
			n.t.Fatalf("search %s: status %d: %v: %.300s", indices, status, err, text)
		}
		for _, d := range page.Hits.Hits {
			each(d)
		}
		if len(page.Hits.Hits) == 0 {
			n.must(http.MethodDelete, "/_search/scroll", map[string]any{"scroll_id": page.Scroll})
			return
		}
		path, what = "/_search/scroll?"+filter, map[string]any{"scroll": "1m", "scroll_id": page.Scroll}
	}
}
