-- operand_read: the content of a key for a copy in another slot, unless it is too wide for one reply
-- KEYS[1] the key
-- ARGV[1] the most members that one reply carries
-- ARGV[2] the most bytes, as far as the server knows them
-- returns {'ok', content as DUMP gives it, ttl in ms of a string} | {'missing'} | {'wide', type, members, bytes, 0 not known}
-- reads
-- empty {'missing'}
local key = KEYS[1]
local kind = redis.call('TYPE', key)['ok']
local count = ({set = 'SCARD', zset = 'ZCARD', hash = 'HLEN'})[kind]
if count then
  local members, bytes = redis.call(count, key), redis.pcall('MEMORY', 'USAGE', key)
  if type(bytes) ~= 'number' then bytes = 0 end
  if members > tonumber(ARGV[1]) or bytes > tonumber(ARGV[2]) then return {'wide', kind, members, bytes} end
end
local content = redis.call('DUMP', key)
if not content then return {'missing'} end
return kind == 'string' and {'ok', content, redis.call('PTTL', key)} or {'ok', content}
