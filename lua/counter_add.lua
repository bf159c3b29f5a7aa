-- counter_add: add or subtract many counts, all or nothing; counts of 0 or below stay
-- KEYS[1] the counter
-- KEYS[2..] the counter whose counts are taken, instead of the counts in the arguments
-- ARGV[1] ttl in ms, 0 none
-- ARGV[2] last or first: which writes arm the ttl
-- ARGV[3] add or sub
-- ARGV[4] the most fields that one step may carry
-- ARGV[5..] field, count, and so on
-- returns {'ok'} | {'text'} | {'range'} | {'big'}
-- writes KEYS[1]
-- empty {'ok'}
-- @include lib/arm
-- @include lib/counts
local list, first = ARGV, 5
if KEYS[2] then
  if redis.call('HLEN', KEYS[2]) > tonumber(ARGV[4]) then return {'big'} end
  list, first = redis.call('HGETALL', KEYS[2]), 1
  if not read_pairs(list) then return {'text'} end
end
local now = read_fields(KEYS[1], list, first)
if not now then return {'text'} end
local new = made(KEYS[1], ARGV[2])
local changed, failed = add_all(KEYS[1], now, list, first, ARGV[3])
if failed then return string.find(tostring(failed.err), 'overflow') and {'range'} or failed end
if changed > 0 then arm(KEYS[1], ARGV[1], ARGV[2], new) end
return {'ok'}
