"""The messages of Cursor's agent service: `agent.proto`, and what protoc makes of it.

After a change of `agent.proto`, in `plugins/cursor/src`:

    uv tool run --from 'grpcio-tools>=1.75,<1.76' python -m grpc_tools.protoc -I. \\
        --python_out=. --pyi_out=. gateway_cursor/proto/agent.proto
"""
