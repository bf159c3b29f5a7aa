-- key_cas: store a value if the key still holds the bytes that were read
-- KEYS[1] the value's key
-- ARGV[1] ttl in ms, 0 none
-- ARGV[2] last or first: which writes arm the ttl
-- ARGV[3] there or absent: what was read
-- ARGV[4] the bytes that were read
-- ARGV[5] the encoded new value
-- returns {'ok'} | {'changed'}
local now = redis.call('GET', KEYS[1])
if ARGV[3] == 'absent' then
  if now then return {'changed'} end
elseif now ~= ARGV[4] then
  return {'changed'}
end
if now and ARGV[2] == 'first' then
  redis.call('SET', KEYS[1], ARGV[5], 'KEEPTTL')
elseif ARGV[1] == '0' then
  redis.call('SET', KEYS[1], ARGV[5])
else
  redis.call('SET', KEYS[1], ARGV[5], 'PX', ARGV[1])
end
return {'ok'}
