-- Prosody: components over TLS. The component module does not support TLS; net_multiplex opens a port that uses TLS from
-- the first byte and recognizes components by their stream header.
-- Debian: save as /etc/prosody/conf.d/tls-components.cfg.lua, add "net_multiplex" to modules_enabled in
-- prosody.cfg.lua, and restart Prosody. The port serves clients as well.
--
-- In campanile.toml:  address = "example.org:5349"  and  tls = { server_name = "example.org" }

ssl_ports = { 5349 }
ssl_interfaces = { "127.0.0.1" }
ssl_ssl = {
  certificate = "/etc/prosody/certs/example.org.crt";
  key = "/etc/prosody/certs/example.org.key";
}
