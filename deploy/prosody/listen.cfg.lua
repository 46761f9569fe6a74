-- Prosody: where it listens for components. Only needed to change the defaults (5347 on loopback, 524288 bytes).
-- Debian: save as /etc/prosody/conf.d/listen.cfg.lua. Elsewhere: these lines belong before the first VirtualHost.
-- Ports are bound when Prosody starts: restart it.

component_ports = { 5347 }
-- The component port carries neither encryption nor proof of who the server is: keep it on loopback, use tls.cfg.lua,
-- or a tunnel.
component_interfaces = { "127.0.0.1" }
-- The largest stanza a component may send. Prosody calls a larger one `not-well-formed` and ends the stream;
-- `max_stanza_out` of the component must not be larger than this.
-- component_stanza_size_limit = 524288
