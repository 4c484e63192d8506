module github.com/lapstrake/lapstrake/sdk/go

go 1.27
