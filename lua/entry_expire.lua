-- entry_expire: mark an entry stale: only callers that take stale values may use it
-- KEYS[1] the entry
-- KEYS[2] its lease
-- ARGV[1] channel of waiting callers
-- returns {'stale'} | {'gone'}
-- writes KEYS[1]
-- empty {'gone'}
-- @include lib/entry
redis.call('DEL', KEYS[2])
redis.call('PUBLISH', ARGV[1], '')
local data = redis.call('GET', KEYS[1])
local grace = data and read_entry(data)
if grace and grace > 0 then
  local left = redis.call('PTTL', KEYS[1])
  if left < 0 or left > grace then redis.call('PEXPIRE', KEYS[1], grace) end
  return {'stale'}
end
redis.call('UNLINK', KEYS[1])
return {'gone'}
