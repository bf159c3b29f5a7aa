-- entry_set: store a value under the stamps of this moment, if the stored entry is as asked
-- KEYS[1] the entry
-- KEYS[2] its lease
-- KEYS[3] its guard, which says whether it was cleared
-- KEYS[4..] the tags
-- ARGV[1] the bytes before the stamps, empty for a bare value
-- ARGV[2] the value
-- ARGV[3] ttl in ms, 0 none
-- ARGV[4] ttl of tags in ms, 0 none
-- ARGV[5] channel of waiting callers
-- ARGV[6] last or first: which writes arm the ttl
-- ARGV[7] any, new (no entry that counts), same or absent: the state of the entry that is asked for
-- ARGV[8] same: the bytes that were read
-- ARGV[9] the guard that was seen before the source was read, '' if the guard does not matter
-- ARGV[10..] one new stamp a tag, drawn for this message alone; or the stamps, and stamps that count no more
-- returns {'ok'} | {'there', entry} | {'changed'} | {'refused'} | {'stale', stamps}
-- writes KEYS[1]
-- decides when ARGV[7] is new, same or absent
-- empty {'changed'} when ARGV[7] is same
-- empty {'ok'}
-- @include lib/entry
-- @include lib/tags
-- @include lib/overtaken
local current, seen = stamps(4, #KEYS - 3, ARGV[4], 10), ARGV[9]
local other = overtaken(KEYS[1], current, #KEYS < 4 and ARGV[11])
if other then return {'stale', other} end
if seen ~= '' and (redis.call('GET', KEYS[3]) ~= seen or string.sub(seen, 1, #current) ~= current) then
  return {'refused'}
end
local there, grace, left = usable(KEYS[1], current)
if ARGV[7] == 'new' and there then return {'there', there} end
if ARGV[7] == 'absent' and there then return {'changed'} end
if ARGV[7] == 'same' and redis.call('GET', KEYS[1]) ~= ARGV[8] then return {'changed'} end
local data = ARGV[1] .. current .. ARGV[2]
redis.call('DEL', KEYS[2])
write(KEYS[1], data, ARGV[3], grace, ARGV[6] == 'first' and left)
redis.call('PUBLISH', ARGV[5], '')
return {'ok'}
