-- key_copy: make one key a copy of another; a missing source leaves nothing there
-- KEYS[1] the source
-- KEYS[2] the copy, replaced
-- ARGV[1] ttl in ms, 0 none
-- returns {'ok'} | {'missing'}
-- writes KEYS[2]
-- replaces all
-- empty {'missing'}

-- Not COPY: after a COPY the two keys of an in-memory server (fakeredis) share one content.
local content = redis.call('DUMP', KEYS[1])
if not content then
  redis.call('DEL', KEYS[2])
  return {'missing'}
end
redis.call('RESTORE', KEYS[2], ARGV[1], content, 'REPLACE')
return {'ok'}
