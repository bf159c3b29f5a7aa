-- counter_incr: add to the count of one field; a missing field starts at 0
-- KEYS[1] the counter
-- ARGV[1] ttl in ms, 0 none
-- ARGV[2] last or first: which writes arm the ttl
-- ARGV[3] field
-- ARGV[4] the int to add, as text
-- returns {'ok', count} | {'text'} | {'range'}
-- writes KEYS[1]
-- decides
-- empty {'ok', ARGV[4]}
-- @include lib/arm
-- @include lib/count
local now = redis.call('HGET', KEYS[1], ARGV[3])
if now then
  if not is_count(now) then return {'text'} end
  if ARGV[4] == '0' then return {'ok', now} end
end
local new = made(KEYS[1], ARGV[2])
local done = redis.pcall('HINCRBY', KEYS[1], ARGV[3], ARGV[4])
if type(done) == 'table' then
  return string.find(tostring(done.err), 'overflow') and {'range'} or done
end
arm(KEYS[1], ARGV[1], ARGV[2], new)
return {'ok', redis.call('HGET', KEYS[1], ARGV[3])}
