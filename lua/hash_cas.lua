-- hash_cas: store a field if it still holds the bytes that were read
-- KEYS[1] the hash
-- ARGV[1] ttl in ms, 0 none
-- ARGV[2] last or first: which writes arm the ttl
-- ARGV[3] field
-- ARGV[4] there or absent: whether the read found the field
-- ARGV[5] the bytes that were read
-- ARGV[6] the encoded new value
-- returns {'ok'} | {'changed'}
-- writes KEYS[1]
-- decides
-- empty {'ok'} when ARGV[4] is absent
-- empty {'changed'}
-- @include lib/arm
local now = redis.call('HGET', KEYS[1], ARGV[3])
if ARGV[4] == 'absent' then
  if now then return {'changed'} end
elseif now ~= ARGV[5] then
  return {'changed'}
end
local new = made(KEYS[1], ARGV[2])
redis.call('HSET', KEYS[1], ARGV[3], ARGV[6])
arm(KEYS[1], ARGV[1], ARGV[2], new)
return {'ok'}
