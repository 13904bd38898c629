package fsm

// This file holds what no table can say: where in the picture the boxes stand and
// which way the arrows go. Units are pixels at the picture's natural size. A test
// demands a way for every arrow, and that nothing covers anything else.

const (
	pictureWidth  = 1220
	pictureHeight = 1070
)

// box is where a state stands.
type box struct{ left, top, width, height int }

var boxes = [numStates]box{
	Idle:       {30, 70, 145, 54},
	Connecting: {215, 70, 135, 54},
	Greeting:   {390, 70, 150, 54},
	Greeted:    {640, 58, 550, 78},

	Authenticating: {75, 216, 160, 54},
	Refused:        {385, 204, 150, 78},
	Legacy:         {665, 204, 150, 78},
	Handshake:      {1000, 216, 150, 54},

	Ready: {30, 384, 1160, 62},

	LoneDot:    {75, 582, 165, 54},
	Sender:     {320, 570, 180, 78},
	Recipients: {600, 570, 190, 78},
	Content:    {880, 582, 160, 54},
	Chunks:     {790, 702, 190, 78},
	Spoiled:    {30, 836, 1160, 62},

	Closed: {30, 926, 130, 54},
	Failed: {620, 926, 130, 54},
}

type point struct{ x, y int }

// side says on which side of its point an inscription stands.
type side string

const (
	rightOf side = "start"
	leftOf  side = "end"
	over    side = "middle"
)

// way is how an arrow runs: its corners, and where the first line of its
// inscription stands, which breaks after about so many characters. An arrow
// without corners is a badge inside the box it starts from.
type way struct {
	from, to State
	corners  []point
	label    point
	side     side
	width    int
}

func via(p ...point) []point { return p }

var ways = []way{
	{Idle, Connecting, via(point{175, 97}, point{215, 97}), point{193, 87}, over, 9},
	{Connecting, Greeting, via(point{350, 97}, point{390, 97}), point{368, 87}, over, 9},
	{Greeting, Greeted, via(point{540, 97}, point{640, 97}), point{588, 87}, over, 14},
	{Greeting, Refused, via(point{430, 124}, point{430, 204}), point{422, 168}, leftOf, 20},
	{Greeted, Refused, via(point{665, 136}, point{665, 180}, point{495, 180}, point{495, 204}), point{657, 150}, leftOf, 20},
	{Greeted, Legacy, via(point{740, 136}, point{740, 204}), point{748, 174}, rightOf, 20},
	{Greeted, Ready, via(point{880, 136}, point{880, 384}), point{888, 174}, rightOf, 20},
	{Legacy, Refused, via(point{665, 243}, point{535, 243}), point{600, 234}, over, 20},
	{Legacy, Ready, via(point{740, 282}, point{740, 384}), point{748, 336}, rightOf, 20},
	{Handshake, Greeted, via(point{1075, 216}, point{1075, 136}), point{1083, 180}, rightOf, 20},
	{Ready, Handshake, via(point{1075, 384}, point{1075, 270}), point{1083, 332}, rightOf, 20},
	{Authenticating, Authenticating, via(point{140, 216}, point{140, 186}, point{170, 186}, point{170, 216}), point{180, 197}, rightOf, 20},
	{Authenticating, Ready, via(point{180, 270}, point{180, 384}), point{188, 320}, rightOf, 30},
	{Ready, Authenticating, via(point{130, 384}, point{130, 270}), point{122, 328}, leftOf, 20},
	{Ready, Ready, via(point{450, 384}, point{450, 340}, point{490, 340}, point{490, 384}), point{500, 350}, rightOf, 22},

	{Ready, LoneDot, via(point{150, 446}, point{150, 582}), point{142, 516}, leftOf, 20},
	{LoneDot, Ready, via(point{200, 582}, point{200, 446}), point{208, 508}, rightOf, 12},
	{Ready, Sender, via(point{390, 446}, point{390, 570}), point{382, 508}, leftOf, 10},
	{Sender, Ready, via(point{435, 570}, point{435, 446}), point{443, 516}, rightOf, 20},
	{Sender, LoneDot, via(point{320, 609}, point{240, 609}), point{281, 599}, over, 12},
	{Sender, Recipients, via(point{500, 609}, point{600, 609}), point{548, 599}, over, 20},
	{Sender, Spoiled, via(point{410, 648}, point{410, 836}), point{418, 728}, rightOf, 16},
	{Recipients, Ready, via(point{650, 570}, point{650, 446}), point{642, 500}, leftOf, 24},
	{Recipients, Recipients, via(point{720, 570}, point{720, 540}, point{750, 540}, point{750, 570}), point{735, 530}, over, 20},
	{Recipients, Content, via(point{790, 609}, point{880, 609}), point{833, 599}, over, 20},
	{Recipients, Chunks, via(point{700, 648}, point{700, 741}, point{790, 741}), point{746, 731}, over, 20},
	{Recipients, Spoiled, via(point{640, 648}, point{640, 836}), point{632, 728}, leftOf, 20},
	{Content, Ready, via(point{960, 582}, point{960, 446}), point{952, 508}, leftOf, 12},
	{Content, Content, via(point{990, 636}, point{990, 664}, point{1020, 664}, point{1020, 636}), point{980, 662}, leftOf, 20},
	{Chunks, Ready, via(point{980, 741}, point{1080, 741}, point{1080, 446}), point{1072, 500}, leftOf, 12},
	{Chunks, Chunks, via(point{920, 702}, point{920, 674}, point{950, 674}, point{950, 702}), point{910, 694}, leftOf, 20},
	{Chunks, Spoiled, via(point{885, 780}, point{885, 836}), point{893, 814}, rightOf, 20},
	{Ready, Spoiled, via(point{1165, 446}, point{1165, 836}), point{1157, 728}, leftOf, 20},
	{Spoiled, Ready, via(point{55, 836}, point{55, 446}), point{63, 728}, rightOf, 20},

	{from: Greeted, to: Closed},
	{from: Legacy, to: Closed},
	{from: Refused, to: Closed},
	{from: Ready, to: Closed},
	{from: Ready, to: Failed},
	{from: Sender, to: Closed},
	{from: Sender, to: Failed},
	{from: Recipients, to: Closed},
	{from: Recipients, to: Failed},
	{from: Chunks, to: Closed},
	{from: Chunks, to: Failed},
	{from: Spoiled, to: Closed},
	{from: Spoiled, to: Failed},
}
