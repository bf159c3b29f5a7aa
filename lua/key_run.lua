-- key_run: one command on one key, for commands that have to look at a guard first
-- KEYS[1] the key
-- ARGV[1] the command
-- ARGV[2..] the words that follow the key
-- returns {'ok', reply}
-- writes KEYS[1]
-- empty {'ok', reply of ARGV[1] KEYS ARGV[2..]}
if #ARGV <= 7001 then return {'ok', redis.call(ARGV[1], KEYS[1], unpack(ARGV, 2))} end
local sum = 0
for from = 2, #ARGV, 7000 do
  sum = sum + redis.call(ARGV[1], KEYS[1], unpack(ARGV, from, math.min(from + 6999, #ARGV)))
end
return {'ok', sum}
