// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title A price feed with the face of Chainlink's, whose answers are set by whoever wants to. For tests and the demo.
/// @dev Source: Chainlink's AggregatorV3Interface. Compiled at development time only.
contract MockAggregatorV3 {
    uint8 public immutable decimals;
    string public description;
    uint256 public constant version = 4;

    struct Round {
        int256 answer;
        uint256 startedAt;
        uint256 updatedAt;
        uint80 answeredInRound;
    }

    uint80 public latestRound;
    mapping(uint80 => Round) private _rounds;

    constructor(uint8 decimals_, string memory description_, int256 answer) {
        decimals = decimals_;
        description = description_;
        setAnswer(answer, block.timestamp);
    }

    function setAnswer(int256 answer, uint256 updatedAt) public {
        latestRound += 1;
        _rounds[latestRound] = Round(answer, updatedAt, updatedAt, latestRound);
    }

    /// @notice A round that was answered in an earlier one, as stuck feeds show it.
    function setCarriedOver(int256 answer, uint256 updatedAt, uint80 answeredInRound) external {
        latestRound += 1;
        _rounds[latestRound] = Round(answer, updatedAt, updatedAt, answeredInRound);
    }

    function latestRoundData()
        external
        view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound)
    {
        Round memory r = _rounds[latestRound];
        return (latestRound, r.answer, r.startedAt, r.updatedAt, r.answeredInRound);
    }
}
