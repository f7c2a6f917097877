// In the place of a module that the checksum database does not know; see libpf.
module go.opentelemetry.io/ebpf-profiler

go 1.26.0
