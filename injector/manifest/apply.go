package manifest

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"

	"gomodules.xyz/jsonpatch/v2"
)

// applyTo applies an operation to a value of JSON, and gives the changed value.
func applyTo(value any, steps []string, op jsonpatch.Operation) (any, error) {
	var with any
	if len(steps) == 1 && op.Operation != "remove" {
		text, err := json.Marshal(op.Value)
		if err == nil {
			err = json.Unmarshal(text, &with)
		}
		if err != nil {
			return nil, err
		}
	}
	key := unescape.Replace(steps[0])
	switch v := value.(type) {
	case map[string]any:
		old, ok := v[key]
		switch {
		case len(steps) > 1 && ok:
			changed, err := applyTo(old, steps[1:], op)
			v[key] = changed
			return v, err
		case len(steps) > 1 || op.Operation != "add" && !ok:
			return nil, errNoPlace
		case op.Operation == "remove":
			delete(v, key)
		default:
			v[key] = with
		}
		return v, nil
	case []any:
		i, err := strconv.Atoi(key)
		if key == "-" {
			i, err = len(v), nil
		}
		switch {
		case err != nil || i < 0 || i > len(v) || i == len(v) && (len(steps) > 1 || op.Operation != "add"):
			return nil, errNoPlace
		case len(steps) > 1:
			v[i], err = applyTo(v[i], steps[1:], op)
			return v, err
		case op.Operation == "add":
			return slices.Insert(v, i, with), nil
		case op.Operation == "remove":
			return slices.Delete(v, i, i+1), nil
		}
		v[i] = with
		return v, nil
	}
	return nil, errNoPlace
}

var errNoPlace = errors.New("there is no such place")
