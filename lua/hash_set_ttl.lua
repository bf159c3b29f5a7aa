-- hash_set_ttl: store fields that expire by themselves, where the server has ttls of fields
-- KEYS[1] the hash
-- ARGV[1] ttl of the hash in ms, 0 none
-- ARGV[2] last or first: which writes arm the ttl
-- ARGV[3] ttl of each field in ms, 0 none
-- ARGV[4..] field, value, and so on
-- returns {'ok', added} | {'unsupported'}
-- writes KEYS[1]
-- empty {'ok', distinct ARGV[4..] by 2}
-- @include lib/arm
-- @include lib/each
local able = redis.pcall('HPTTL', KEYS[1], 'FIELDS', 1, ARGV[4])
if type(able) == 'table' and able.err then
  if string.find(tostring(able.err), 'WRONGTYPE') then return able end
  return {'unsupported'}
end
-- The ttl too is tried before anything is written, on a field whose old value goes in any case.
if ARGV[3] ~= '0' then
  able = redis.pcall('HPEXPIRE', KEYS[1], ARGV[3], 'FIELDS', 1, ARGV[4])
  if type(able) == 'table' and able.err then return able end
end
local new = made(KEYS[1], ARGV[2])
local added = each('HSET', KEYS[1], ARGV, 4)
if ARGV[3] ~= '0' then
  for i = 4, #ARGV, 2 do redis.call('HPEXPIRE', KEYS[1], ARGV[3], 'FIELDS', 1, ARGV[i]) end
end
arm(KEYS[1], ARGV[1], ARGV[2], new)
return {'ok', added}
