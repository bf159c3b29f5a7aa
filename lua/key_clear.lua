-- key_clear: remove a collection with its guard and lease, and tell whether there was content that counts
-- KEYS[1] the collection
-- KEYS[2] its guard
-- KEYS[3] its lease
-- KEYS[4..] the tags
-- returns {'ok', removed}
-- writes KEYS[1], KEYS[2]
-- empty {'ok', 0}
-- @include lib/generation
local live = alive(redis.call('GET', KEYS[2]) or '', known(4))
local removed = redis.call('UNLINK', KEYS[1])
redis.call('UNLINK', KEYS[2], KEYS[3])
return {'ok', live and removed or 0}
