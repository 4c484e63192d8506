module example.org/steps

go 1.27

require github.com/lapstrake/lapstrake/sdk/go v0.1.0

replace github.com/lapstrake/lapstrake/sdk/go => ../../../sdk/go
