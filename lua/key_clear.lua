-- key_clear: remove a collection with its guard and lease, and tell whether there was content that counts
-- KEYS[1] the collection
-- KEYS[2] its guard
-- KEYS[3] its lease
-- KEYS[4..] the tags
-- ARGV[1..] where the tags are in other slots: their stamps, and the guard that counts no more
-- returns {'ok', removed} | {'stale', guard}
-- writes KEYS[1], KEYS[2]
-- empty {'ok', 0}
-- @include lib/generation
local found = redis.call('GET', KEYS[2]) or ''
local live = alive(found, known(4, 1))
if not live and ARGV[2] and found ~= '' and found ~= ARGV[2] then return {'stale', found} end
local removed = redis.call('UNLINK', KEYS[1])
redis.call('UNLINK', KEYS[2], KEYS[3])
return {'ok', live and removed or 0}
