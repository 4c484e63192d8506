package lapstrake

import (
	"reflect"
	"strconv"
	"strings"
)

// Gives a text that equal records have in common and others have not. The contract's types are plain data: records, lists, texts,
// numbers, and what options and variants hold. A list of nothing is one list, whether it was made or not.
func identity(record any) string {
	var out strings.Builder
	writeIdentity(&out, reflect.ValueOf(record))
	return out.String()
}

func writeIdentity(out *strings.Builder, value reflect.Value) {
	number := func(number uint64) {
		out.WriteString(strconv.FormatUint(number, 36))
		out.WriteByte(' ')
	}
	switch value.Kind() {
	case reflect.Struct:
		for i := range value.NumField() {
			writeIdentity(out, value.Field(i))
		}
	case reflect.Slice:
		number(uint64(value.Len()))
		if value.Type().Elem().Kind() == reflect.Uint8 {
			out.Write(value.Bytes())
			return
		}
		for i := range value.Len() {
			writeIdentity(out, value.Index(i))
		}
	case reflect.String:
		number(uint64(value.Len()))
		out.WriteString(value.String())
	case reflect.Interface:
		// What a variant holds; the variant's number stands before it.
		if !value.IsNil() {
			writeIdentity(out, value.Elem())
		}
	case reflect.Bool:
		if value.Bool() {
			number(1)
		} else {
			number(0)
		}
	case reflect.Int32, reflect.Int64:
		number(uint64(value.Int()))
	default:
		number(value.Uint())
	}
}
