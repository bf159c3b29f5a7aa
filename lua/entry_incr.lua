-- entry_incr: add to the number of an entry; an entry that is missing or counts no more starts at 0
-- KEYS[1] the entry
-- KEYS[2] its lease
-- KEYS[3..] the tags
-- ARGV[1] the bytes before the stamps of a new entry
-- ARGV[2] ttl in ms, 0 none
-- ARGV[3] ttl of tags in ms, 0 none
-- ARGV[4] channel of waiting callers
-- ARGV[5] last or first: which writes arm the ttl
-- ARGV[6] int or float: the kind of the number to add
-- ARGV[7] the number to add, as text
-- ARGV[8] any, or there: only to a number that is there
-- ARGV[9..] one new stamp a tag, drawn for this message alone; or the stamps, and stamps that count no more
-- returns {'ok', text} | {'text'} | {'range'} | {'missing'} | {'stale', stamps}
-- writes KEYS[1]
-- decides
-- empty {'missing'} when ARGV[8] is there
-- empty {'ok', ARGV[7]}
-- @include lib/arm
-- @include lib/sum
-- @include lib/tags
-- @include lib/overtaken
local current = stamps(3, #KEYS - 2, ARGV[3], 9)
local other = overtaken(KEYS[1], current, #KEYS < 3 and ARGV[10])
if other then return {'stale', other} end
local reply, grace = add(KEYS[1], current, ARGV[1] .. current, ARGV[6], ARGV[7], ARGV[8] == 'there')
if reply[1] ~= 'ok' then return reply end
if ARGV[2] ~= '0' then arm(KEYS[1], tonumber(ARGV[2]) + (grace or 0), ARGV[5], not grace) end
redis.call('DEL', KEYS[2])
redis.call('PUBLISH', ARGV[4], '')
return reply
