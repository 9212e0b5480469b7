// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title Tokens as they really are: one contract, one oddity chosen at deployment.
/// @dev Source: EIP-20, and lists of tokens that depart from it. For tests only.
contract StrangeToken {
    enum Oddity { NONE, ANSWERS_FALSE, ANSWERS_NOTHING, TAKES_FEE, REBASES, LIES, SILENT, CALLS_BACK, BURNS_GAS }

    Oddity public immutable oddity;
    string public name;
    string public symbol;
    uint8 private immutable places;
    bool private immutable hasPlaces;
    uint256 public scale = 1;
    mapping(address => uint256) private shares;
    mapping(address => mapping(address => uint256)) public allowance;

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);

    constructor(Oddity oddity_, string memory name_, uint8 places_, bool hasPlaces_) {
        oddity = oddity_;
        name = name_;
        symbol = name_;
        places = places_;
        hasPlaces = hasPlaces_;
        shares[msg.sender] = 1e30;
    }

    function decimals() external view returns (uint8) {
        require(hasPlaces, "no decimals");
        return places;
    }

    function balanceOf(address account) public view returns (uint256) {
        if (oddity == Oddity.BURNS_GAS) while (true) {}
        return shares[account] * scale;
    }

    function approve(address spender, uint256 value) external returns (bool) {
        allowance[msg.sender][spender] = value;
        emit Approval(msg.sender, spender, value);
        return true;
    }

    function transfer(address to, uint256 value) external returns (bool) {
        if (oddity == Oddity.ANSWERS_FALSE) return false;
        _move(msg.sender, to, value);
        if (oddity == Oddity.ANSWERS_NOTHING) assembly { return(0, 0) }
        return true;
    }

    function transferFrom(address from, address to, uint256 value) external returns (bool) {
        allowance[from][msg.sender] -= value;
        _move(from, to, value);
        return true;
    }

    function _move(address from, address to, uint256 value) private {
        if (oddity == Oddity.CALLS_BACK) {
            // Like ERC-777: whoever receives is told first, and may call again.
            (bool ok, ) = to.call(abi.encodeWithSignature("tokensReceived(address,uint256)", msg.sender, value));
            ok;
        }
        shares[from] -= value;
        uint256 kept = oddity == Oddity.TAKES_FEE ? value / 100 : 0;
        shares[to] += value - kept;
        if (oddity == Oddity.REBASES) scale = 2;
        if (oddity == Oddity.SILENT) return;
        emit Transfer(from, to, oddity == Oddity.LIES ? value / 2 : value - kept);
        if (kept > 0) emit Transfer(from, address(this), kept);
    }
}

/// @title Receives, and calls the token again while its first transfer is not over.
contract Greedy {
    bool private once;

    function tokensReceived(address, uint256) external {
        if (once) return;
        once = true;
        StrangeToken(msg.sender).transfer(address(this), 0);
    }
}

/// @title Runs foreign code in its own place, makes contracts, nests deeply, or fails in the ways there are.
contract Runner {
    error Refused(uint256 wanted);

    function runElsewhere(address code, bytes calldata data) external {
        (bool ok, ) = code.delegatecall(data);
        require(ok, "delegate failed");
    }

    function make() external returns (address) {
        return address(new Greedy());
    }

    function nest(uint256 depth) public {
        if (depth > 0) this.nest(depth - 1);
    }

    function many(uint256 count) external {
        for (uint256 i = 0; i < count; i++) this.nothing();
    }

    function nothing() external pure {}

    function failWithWords() external pure {
        revert("words with <b>markup</b>");
    }

    function failWithError() external pure {
        revert Refused(7);
    }

    function failByArithmetic(uint256 a) external pure returns (uint256) {
        return 1 - a;
    }

    function failWithLongWords() external pure {
        bytes memory words = new bytes(10240);
        for (uint256 i = 0; i < words.length; i++) words[i] = 0x41;
        revert(string(words));
    }
}
