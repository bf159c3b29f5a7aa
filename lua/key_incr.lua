-- key_incr: add to the number under a key; a number that is missing or counts no more starts at 0, floats stay floats
-- KEYS[1] the number's key
-- KEYS[2..] its lease, none where no function computes such keys
-- ARGV[1] ttl in ms, 0 none
-- ARGV[2] last or first: which writes arm the ttl
-- ARGV[3] int or float: the kind of the number to add
-- ARGV[4] the number to add, as text
-- ARGV[5] any, or there: only to a number that is there
-- returns {'ok', text} | {'text'} | {'range'} | {'missing'}
-- writes KEYS[1]
-- decides
-- empty {'missing'} when ARGV[5] is there
-- empty {'ok', ARGV[4]}
-- @include lib/arm
-- @include lib/sum
local reply, grace = add(KEYS[1], '', '', ARGV[3], ARGV[4], ARGV[5] == 'there')
if reply[1] ~= 'ok' then return reply end
outdate(2)
if ARGV[1] ~= '0' then
  arm(KEYS[1], tonumber(ARGV[1]) + (grace or 0), ARGV[2], not grace)
end
return reply
