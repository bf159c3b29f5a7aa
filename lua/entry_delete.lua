-- entry_delete: drop an entry and its lease, the entry missing or not
-- KEYS[1] the entry
-- KEYS[2] its lease
-- ARGV[1] channel of waiting callers
-- returns {'ok', removed}
-- writes KEYS[1]
-- retry safe
-- empty {'ok', 0}
local removed = redis.call('UNLINK', KEYS[1])
redis.call('DEL', KEYS[2])
redis.call('PUBLISH', ARGV[1], '')
return {'ok', removed}
