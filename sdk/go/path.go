package lapstrake

import "strings"

// JoinPath makes an absolute, clean path of text; ".." never leaves "/". Files are not looked at.
func JoinPath(directory, path string) string {
	if strings.HasPrefix(path, "/") {
		directory = ""
	}
	var parts []string
	for part := range strings.SplitSeq(directory+"/"+path, "/") {
		switch part {
		case "", ".":
		case "..":
			parts = parts[:max(len(parts)-1, 0)]
		default:
			parts = append(parts, part)
		}
	}
	return "/" + strings.Join(parts, "/")
}

// JoinPathKeepingSlash does as JoinPath, but a path that names a directory by its end keeps a "/" there.
func JoinPathKeepingSlash(directory, path string) string {
	out := JoinPath(directory, path)
	isDirectory := path == "" || path == "." || strings.HasSuffix(path, "/") || strings.HasSuffix(path, "/.")
	if isDirectory && !strings.HasSuffix(out, "/") {
		return out + "/"
	}
	return out
}
