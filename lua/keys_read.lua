-- keys_read: one reading command on several keys, for commands that have to look at guards first
-- KEYS[1..] the keys
-- ARGV[1] the command
-- ARGV[2] how many words stand before the keys
-- ARGV[3..] the words before the keys, then the words that follow the keys
-- returns {'ok', reply}
-- reads
-- empty {'ok', reply of ARGV[1] KEYS}
local words, before = {ARGV[1]}, tonumber(ARGV[2])
for i = 3, 2 + before do words[#words + 1] = ARGV[i] end
for _, key in ipairs(KEYS) do words[#words + 1] = key end
for i = 3 + before, #ARGV do words[#words + 1] = ARGV[i] end
return {'ok', redis.call(unpack(words))}
