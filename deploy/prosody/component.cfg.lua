-- Prosody: one external component (XEP-0114). The integration tests use this file.
--
-- Debian: save as /etc/prosody/conf.d/echo.cfg.lua. Elsewhere: append to prosody.cfg.lua, after the last VirtualHost.
-- Activate without a restart:
--   prosodyctl shell 'config:reload()'
--   prosodyctl shell 'host:activate("echo.example.org")'
-- Until then the component gets the error `host-unknown`. The port is 127.0.0.1:5347; see listen.cfg.lua to change it.

Component "echo.example.org"
  component_secret = "change-me"
  -- Handling of a second connection for this domain. By default Prosody refuses the new one with `conflict`; with
  -- "kick_old" the new one replaces the old one, which suits a standby process.
  -- component_conflict_resolve = "kick_old"
  -- With a name, Prosody lists it in the disco#items of the host and answers disco#info while the component is offline.
  -- name = "Echo"
