-- hash_set_ttl: store a field that expires by itself, where the server can do that
-- KEYS[1] the hash
-- ARGV[1] ttl of the hash in ms, 0 none
-- ARGV[2] last or first: which writes arm the ttl
-- ARGV[3] ttl of the field in ms, 0 none
-- ARGV[4] field
-- ARGV[5] value
-- returns {'ok', added} | {'unsupported'}
-- @include lib/arm
local able = redis.pcall('HPTTL', KEYS[1], 'FIELDS', 1, ARGV[4])
if type(able) == 'table' and able.err then
  if string.find(able.err, 'WRONGTYPE') then return able end
  return {'unsupported'}
end
local new = made(KEYS[1], ARGV[2])
local added = redis.call('HSET', KEYS[1], ARGV[4], ARGV[5])
if ARGV[3] ~= '0' then redis.call('HPEXPIRE', KEYS[1], ARGV[3], 'FIELDS', 1, ARGV[4]) end
arm(KEYS[1], ARGV[1], ARGV[2], new)
return {'ok', added}
