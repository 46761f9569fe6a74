-- Prosody: the component port. Only needed to change the address, the port or the limit on stanzas (524288 bytes).
-- Debian: save as /etc/prosody/conf.d/listen.cfg.lua. Elsewhere: put these lines before the first VirtualHost.
-- Prosody binds ports only at startup: restart it.

component_ports = { 5347 }
-- The component port has no encryption and does not authenticate the server: keep it on loopback, or use tls.cfg.lua or a
-- tunnel.
component_interfaces = { "127.0.0.1" }
-- The largest stanza that a component may send, in bytes. On a larger one, Prosody closes the stream with
-- `not-well-formed`; `max_stanza_out` of the component must not exceed this limit.
-- component_stanza_size_limit = 524288
