"""A JSON door in front of gRPC servers, made from nothing but their descriptors.

It owns the way from an HTTP request to an RPC and back: which route, which field, which status, which error shape. It
knows no service: what it serves is what the FileDescriptorSet says, by `google.api.http` and, where they are used, by
the options of `tandem/gateway/v1/gateway.proto`. It decides nothing about who may call: tokens pass through unread.
"""
